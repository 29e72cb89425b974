"""How the tiny base model that ships in the package was made: data, tokenizer, training, export."""
