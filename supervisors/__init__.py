"""Actors, mailboxes and supervisors on trio: OTP's contract with structured lifetimes.

General layout: ``_restart``, ``_spec``, ``_exit``, ``_events`` and ``_errors`` are pure; ``_mailbox``, ``_reply`` and
``_turn`` decide who runs when; ``_cell`` holds one child slot over many lives; ``_supervisor`` orders starts, restarts
and stops; ``_actor`` and ``_ref`` are what users write and hold.
"""
