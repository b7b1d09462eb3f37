// C (m x n, float) = A (m x k) B (k x n), half, row major, by tensor cores: four warps for 32 x 32 results.
#include <mma.h>
using namespace nvcuda;
#define T 32
#define K 16
extern "C" __global__ void __launch_bounds__(128) hgemm_tensor(
        const half *a, const half *b, float *c, int m, int n, int k) {
    __shared__ half as[T][K + 8], bs[K][T + 8];
    __shared__ float cs[T][T + 4];
    int t = threadIdx.x, warp = t / 32, top = blockIdx.y * T, left = blockIdx.x * T;
    int y = warp / 2 * 16, x = warp % 2 * 16;
    wmma::fragment<wmma::matrix_a, 16, 16, 16, half, wmma::row_major> fa;
    wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::row_major> fb;
    wmma::fragment<wmma::accumulator, 16, 16, 16, float> fc;
    wmma::fill_fragment(fc, 0.0f);
#pragma unroll 1
    for (int at = 0; at < k; at += K) {
#pragma unroll
        for (int i = t; i < T * K; i += 128) {
            int row = i / K, column = i % K;
            as[row][column] = top + row < m && at + column < k ? a[(top + row) * k + at + column] : __float2half(0.0f);
            row = i / T, column = i % T;
            bs[row][column] = at + row < k && left + column < n ? b[(at + row) * n + left + column] : __float2half(0.0f);
        }
        __syncthreads();
        wmma::load_matrix_sync(fa, &as[y][0], K + 8);
        wmma::load_matrix_sync(fb, &bs[0][x], T + 8);
        wmma::mma_sync(fc, fa, fb, fc);
        __syncthreads();
    }
    wmma::store_matrix_sync(&cs[y][x], fc, T + 4, wmma::mem_row_major);
    __syncthreads();
#pragma unroll 2
    for (int i = t; i < T * T; i += 128) {
        int row = i / T, column = i % T;
        if (top + row < m && left + column < n) c[(top + row) * n + left + column] = cs[row][column];
    }
}
