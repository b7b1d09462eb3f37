// result[0] += sum of x: warps by shuffles, the thread block through shared memory, the grid by an atomic.
extern "C" __global__ void reduction(const float *x, float *result, int n) {
    __shared__ float partial[32];
    float sum = 0.0f;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) sum += x[i];
    for (int distance = 16; distance; distance /= 2) sum += __shfl_down_sync(~0u, sum, distance);
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    if (lane == 0) partial[warp] = sum;
    __syncthreads();
    if (warp == 0) {
        sum = lane < warps ? partial[lane] : 0.0f;
        for (int distance = 16; distance; distance /= 2) sum += __shfl_down_sync(~0u, sum, distance);
        if (lane == 0) atomicAdd(result, sum);
    }
}
