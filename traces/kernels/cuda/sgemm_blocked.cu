// C (m x n) = A (m x k) B (k x n), row major: 256 threads for 128 x 128 results, 8 x 8 of them a thread, 8 steps of k
// at a time. While the threads multiply one block, the next one is on its way into registers.
#define TILE 128
#define STEP 8
extern "C" __global__ void __launch_bounds__(256) sgemm_blocked(
        const float *a, const float *b, float *c, int m, int n, int k) {
    __shared__ float4 as[2][STEP][TILE / 4], bs[2][STEP][TILE / 4];
    int t = threadIdx.x, top = blockIdx.y * TILE, left = blockIdx.x * TILE;
    int a_row = t / 2, a_k = t % 2 * 4, b_k = t / 32, b_column = t % 32 * 4;
    int ty = t / 16, tx = t % 16;
    float next_a[4], next_b[4], sum[8][8] = {};
    auto load = [&](int at) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            next_a[i] = top + a_row < m && at + a_k + i < k ? a[(top + a_row) * k + at + a_k + i] : 0.0f;
            next_b[i] = left + b_column + i < n && at + b_k < k ? b[(at + b_k) * n + left + b_column + i] : 0.0f;
        }
    };
    auto keep = [&](int buffer) {
#pragma unroll
        for (int i = 0; i < 4; i++) ((float *)as[buffer][a_k + i])[a_row] = next_a[i];
        bs[buffer][b_k][b_column / 4] = make_float4(next_b[0], next_b[1], next_b[2], next_b[3]);
    };
    load(0);
    keep(0);
    __syncthreads();
    int buffer = 0;
#pragma unroll 1
    for (int at = 0; at < k; at += STEP) {
        bool more = at + STEP < k;
        if (more) load(at + STEP);
#pragma unroll
        for (int i = 0; i < STEP; i++) {
            float4 a0 = as[buffer][i][ty], a1 = as[buffer][i][16 + ty], b0 = bs[buffer][i][tx], b1 = bs[buffer][i][16 + tx];
            float x[8] = {a0.x, a0.y, a0.z, a0.w, a1.x, a1.y, a1.z, a1.w};
            float y[8] = {b0.x, b0.y, b0.z, b0.w, b1.x, b1.y, b1.z, b1.w};
#pragma unroll
            for (int r = 0; r < 8; r++)
#pragma unroll
                for (int s = 0; s < 8; s++) sum[r][s] += x[r] * y[s];
        }
        buffer ^= 1;
        if (more) keep(buffer);
        __syncthreads();
    }
#pragma unroll
    for (int r = 0; r < 8; r++) {
        int row = top + r / 4 * 64 + ty * 4 + r % 4;
#pragma unroll
        for (int s = 0; s < 8; s++) {
            int column = left + s / 4 * 64 + tx * 4 + s % 4;
            if (row < m && column < n) c[row * n + column] = sum[r][s];
        }
    }
}
