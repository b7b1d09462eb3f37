"""What `benchmarks/fuzz.py` is made of: parsers and their seeds, mutators, and the process that tries a case."""
