// As many independent FFMA as the core takes: sixteen chains a thread, n times eight steps.
extern "C" __global__ void max_flops(float *out, float a, float b, int n) {
    float x[16], y[4];
#pragma unroll
    for (int c = 0; c < 16; c++) x[c] = threadIdx.x + c;
#pragma unroll
    for (int c = 0; c < 4; c++) y[c] = a * (threadIdx.x + c);
#pragma unroll 1
    for (int i = 0; i < n; i++) {
#pragma unroll
        for (int j = 0; j < 8; j++)
#pragma unroll
            for (int c = 0; c < 16; c++) x[c] = x[c] * y[c % 4] + y[(c + j) % 4];
    }
    float sum = b;
#pragma unroll
    for (int c = 0; c < 16; c++) sum += x[c];
    out[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}
