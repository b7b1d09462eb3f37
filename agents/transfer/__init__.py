"""Learning across workloads: what was found on some networks proposes designs for networks never seen."""
