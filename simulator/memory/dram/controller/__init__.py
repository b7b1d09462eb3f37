"""The default controller: bank machines with the DRAMSys knobs, on strict timing rules."""
