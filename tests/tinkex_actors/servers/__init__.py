"""Scripted servers of every kind, for tests and programs: in this process over a mock transport, or on a port of their own.

======== ===================================================================================================
service  the production service of SDK 0.38: `tests.tinkex_actors.fake_tinker.FakeTinker`
json     the generation before protobuf: `json_generation.JsonTinker`
mixture  today's SkyRL tx: `mixture.MixtureTinker`
======== ===================================================================================================
"""
