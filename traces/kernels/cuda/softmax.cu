// y = softmax of each row of x (rows x columns), a warp for each row.
extern "C" __global__ void softmax(const float *x, float *y, int rows, int columns) {
    int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32;
    if (row >= rows) return;
    const float *from = x + row * columns;
    float most = -INFINITY, sum = 0.0f;
#pragma unroll 2
    for (int i = lane; i < columns; i += 32) most = fmaxf(most, from[i]);
    for (int distance = 16; distance; distance /= 2) most = fmaxf(most, __shfl_xor_sync(~0u, most, distance));
#pragma unroll 2
    for (int i = lane; i < columns; i += 32) sum += __expf(from[i] - most);
    for (int distance = 16; distance; distance /= 2) sum += __shfl_xor_sync(~0u, sum, distance);
#pragma unroll 2
    for (int i = lane; i < columns; i += 32) y[row * columns + i] = __fdividef(__expf(from[i] - most), sum);
}
