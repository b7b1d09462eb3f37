// Every thread sorts eight numbers of its own, in local memory, since they are indexed by what is not known when it is compiled.
extern "C" __global__ void insertion_sort(const int *in, int *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    int sorted[8];
    for (int count = 0; count < 8; count++) {
        int x = in[8 * i + count], at = count;
        while (at > 0 && sorted[at - 1] > x) {
            sorted[at] = sorted[at - 1];
            at--;
        }
        sorted[at] = x;
    }
    for (int k = 0; k < 8; k++) out[8 * i + k] = sorted[k];
}
