"""What is put under load: libraries in process, servers, functions."""
