"""From a FunASR model directory to a bundle that loads without FunASR."""
