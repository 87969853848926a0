// The few functions of cuBLAS that give something back; stubs.py makes the others, which only say
// that all went well.
extern "C" {

int cublasCreate_v2(void** handle) {
  *handle = new char;
  return 0;
}

int cublasDestroy_v2(void* handle) {
  delete static_cast<char*>(handle);
  return 0;
}

int cublasGetMathMode(void* /*handle*/, int* mode) { return *mode = 0; }
int cublasGetPointerMode_v2(void* /*handle*/, int* mode) { return *mode = 0; }
}
