"""Voice activity detection beside FunASR."""
