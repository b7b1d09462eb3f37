"""The controller of Ramulator 2.1 (commit c5b1c3a), to the clock, faults included."""
