// Convolution of a plane with nine constants, one result a thread, the border left out: the 2DConvolution of PolyBench.
extern "C" __global__ void convolution(const float *in, float *out, int rows, int columns) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x < 1 || y < 1 || x >= columns - 1 || y >= rows - 1) return;
    const float *up = in + (y - 1) * columns + x, *here = up + columns, *down = here + columns;
    out[y * columns + x] = 0.2f * up[-1] + 0.5f * here[-1] - 0.8f * down[-1] - 0.3f * up[0] + 0.6f * here[0] - 0.9f * down[0]
                         + 0.4f * up[1] + 0.7f * here[1] + 0.1f * down[1];
}
