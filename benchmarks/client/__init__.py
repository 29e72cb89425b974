"""The client beside the official SDK: codecs, samples, training steps."""
