"""The encoder compiled by AOTInductor, beside ours."""
