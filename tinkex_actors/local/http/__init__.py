"""The wire side of the server: routes, and nothing that outlives a request.

``call`` is one request and one answer; each module beside it answers one family of endpoints by asking the service;
``app`` puts them behind a router.
"""
