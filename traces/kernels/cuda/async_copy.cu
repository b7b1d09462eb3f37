// Sums of four neighbours, from tiles that are copied to shared memory asynchronously, the next one while one is summed.
#include <cuda_pipeline.h>

extern "C" __global__ void async_copy(const float4 *in, float *out, int tiles) {
    __shared__ float4 tile[2][128];
    int lane = threadIdx.x;
    __pipeline_memcpy_async(&tile[0][lane], &in[blockIdx.x * tiles * 128 + lane], sizeof(float4));
    __pipeline_commit();
    float sum = 0;
    for (int t = 0; t < tiles; t++) {
        if (t + 1 < tiles) {
            __pipeline_memcpy_async(&tile[(t + 1) % 2][lane], &in[(blockIdx.x * tiles + t + 1) * 128 + lane], sizeof(float4));
            __pipeline_commit();
            __pipeline_wait_prior(1);
        } else {
            __pipeline_wait_prior(0);
        }
        __syncthreads();
        float4 x = tile[t % 2][(lane + 1) % 128];  // a neighbour's
        sum += x.x + x.y + x.z + x.w;
        __syncthreads();
    }
    out[blockIdx.x * 128 + lane] = sum;
}
