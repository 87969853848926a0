"""safeasr beside FunASR, ONNX run-times and OpenVINO: same run, same audio, same weights.

``python -m benchmarks.peers --help`` says how to run it. One file for each concern:

- ``setups``: what is compared, and the thread set-ups that each library is tried in;
- ``adapters``, ``adapters_onnx``, ``adapters_openvino``: the libraries behind one interface;
- ``exported``, ``exported_openvino``: the files that libraries other than safeasr and FunASR need;
- ``serving``: how callers reach a library that takes lists, or few calls at a time;
- ``worker``: the process that one system runs in; ``fleet``: these processes, seen from outside;
- ``measure``: tuning, alternating rounds, figures; ``roof``: what the cores could do at most.
"""
