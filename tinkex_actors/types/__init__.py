"""The nouns: what travels over the wire, as frozen values."""
