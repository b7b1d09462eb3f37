// Arithmetic of many kinds on each element: division, 64-bit and bit operations, halves, doubles, special functions.
#include <cuda_fp16.h>
extern "C" __global__ void numbers(const unsigned *x, const unsigned *y, unsigned *integers, float *floats, double *doubles,
                                   int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    unsigned a = x[i], b = y[i] | 1;
    unsigned long long wide = (unsigned long long)a * b + a;
    long long far = ((long long)(int)a << 20) / 3;
    integers[8 * i] = a / b;
    integers[8 * i + 1] = (unsigned)((int)a % (int)(b >> 8 | 1));
    integers[8 * i + 2] = (unsigned)(wide >> 37);
    integers[8 * i + 3] = __popc(a) + 64 * __clz(b >> 3) + 4096 * __ffs(a);
    integers[8 * i + 4] = __brev(a) ^ __byte_perm(a, b, 0x2741);
    integers[8 * i + 5] = (unsigned)(far >> 9);
    integers[8 * i + 6] = (int)a < (int)b ? min(a, 1000u) : __funnelshift_l(a, b, 11);
    integers[8 * i + 7] = a > b == (wide > 0x123456789abcdefull) ? abs((int)a) : (unsigned)max((int)a, (int)b);
    float f = (int)a * 1e-9f, g = (b >> 9) * 1e-6f + 0.5f;
    __half h = __float2half(f), k = __float2half(g);
    __half2 p = __halves2half2(h, k);
    p = __hfma2(p, p, p);
    integers[8 * i + 7] ^= *(unsigned *)&p;
    floats[6 * i] = __half2float(h) + __half2float(k);
    floats[6 * i + 1] = __logf(g) + __sinf(f);
    floats[6 * i + 2] = sqrtf(g) + rsqrtf(g);
    floats[6 * i + 3] = f / g;
    floats[6 * i + 4] = floorf(f * 16) + truncf(g * 16) + rintf(f * 5);
    floats[6 * i + 5] = (float)(int)(f * 100) + (float)a;
    double d = (double)(int)a * 0.0009765625;
    doubles[2 * i] = d * d + g;
    doubles[2 * i + 1] = (d > (double)b ? d : (double)b) - (d < 0.0 ? d : 1.5);
}
