// 128 FFMA, each of which needs the one before, n times.
extern "C" __global__ void ffma_chain(float *out, float a, float b, int n) {
    float x = threadIdx.x;
#pragma unroll 1
    for (int i = 0; i < n; i++) {
#pragma unroll
        for (int j = 0; j < 128; j++) x = x * a + b;
    }
    out[blockIdx.x * blockDim.x + threadIdx.x] = x;
}
