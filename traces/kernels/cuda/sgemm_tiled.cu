// C (m x n) = A (m x k) B (k x n), row major: a thread block of 16 x 16 threads for 16 x 16 results.
#define T 16
extern "C" __global__ void sgemm_tiled(const float *a, const float *b, float *c, int m, int n, int k) {
    __shared__ float as[T][T], bs[T][T];
    int x = threadIdx.x, y = threadIdx.y, row = blockIdx.y * T + y, column = blockIdx.x * T + x;
    float sum = 0.0f;
    for (int at = 0; at < k; at += T) {
        as[y][x] = row < m && at + x < k ? a[row * k + at + x] : 0.0f;
        bs[y][x] = column < n && at + y < k ? b[(at + y) * n + column] : 0.0f;
        __syncthreads();
#pragma unroll
        for (int i = 0; i < T; i++) sum += as[y][i] * bs[i][x];
        __syncthreads();
    }
    if (row < m && column < n) c[row * n + column] = sum;
}
