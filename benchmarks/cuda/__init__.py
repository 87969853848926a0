"""What a machine with a CUDA device does with safeasr: checks and figures in one go.

``python -m benchmarks.cuda`` (or ``benchmarks/cuda.sh``, which builds first) runs the steps of
:mod:`benchmarks.cuda.step`, each in a process of its own with a time limit, and prints one table.
With ``--device cpu --quick`` everything that needs no GPU runs anywhere.
"""
