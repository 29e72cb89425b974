"""What a client may be told: the key, the address, the limits. Read once at the door, frozen afterwards."""
