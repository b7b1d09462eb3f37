// Five-point stencil in two dimensions; the border is copied.
extern "C" __global__ void stencil(const float *in, float *out, int rows, int columns, float centre, float side) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= columns || y >= rows) return;
    int i = y * columns + x;
    float value = in[i];
    if (x > 0 && y > 0 && x < columns - 1 && y < rows - 1)
        value = centre * value + side * (in[i - 1] + in[i + 1] + in[i - columns] + in[i + columns]);
    out[i] = value;
}
