"""Inference-only networks, written to be scripted: parameter names are those of FunASR's checkpoints.

Each differs from the training code it reads weights of in one way: whatever shares a batch with an
utterance has no influence on it. Padding is masked wherever it could leak (attention, memory blocks,
the predictor's convolution), so an utterance gives the same numbers alone and in any company.
"""
