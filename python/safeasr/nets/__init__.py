"""Inference-only networks, written to be scripted.

Parameters are named as in FunASR's checkpoints. Batches are ragged, the rows of all utterances one
below the other without padding, so what shares a batch with an utterance has no influence on it:
it gives the same numbers alone and in any company.
"""
