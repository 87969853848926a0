"""Inference-only networks, written to be scripted.

Parameters are named as in FunASR's checkpoints. Each network differs in one way from the training
code whose weights it reads: what shares a batch with an utterance has no influence on it. Padding
is masked wherever it could leak (attention, memory blocks, the predictor's convolution), so an
utterance gives the same numbers alone and in any company.
"""
