"""Hybrids of CTC and attention: Transformer, Conformer, Branchformer, E-Branchformer, SAN-M."""
