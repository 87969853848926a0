"""How results are shown: in the terminal, as a page, as JUnit XML, and beside older ones."""
