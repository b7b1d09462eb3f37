"""A modern GPU core: compiler-set control bits, register-file cache, memory queues, instruction prefetch."""
