"""How fast syncroom is, measured beside its peers on your machine: one file for each claim."""
