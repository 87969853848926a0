"""The pages, tables and plots that are made from results."""
