/* Included before every file of llama.cpp (-include); does nothing but where AMX is compiled for, by GCC.

   GCC 12's intrinsics name 8 of the 64 bytes that the tile configuration is read from, and no memory at all for what a
   tile is loaded from. The optimiser then drops or moves the stores before them, and the first multiplication crashes
   (ggml-org/llama.cpp#26954). Here every one of them names the memory it reads. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__AMX_TILE__)
#include <immintrin.h>

#define AMX_FIX_LOAD(instruction, dst, base, stride)                                            \
  __asm__ volatile(instruction "\t(%0,%1,1), %%tmm" #dst                                        \
                   :: "r"((const void *)(base)), "r"((long)(stride)) : "memory")

#undef _tile_loadd
#define _tile_loadd(dst, base, stride) AMX_FIX_LOADD(dst, base, stride)
#define AMX_FIX_LOADD(dst, base, stride) AMX_FIX_LOAD("tileloadd", dst, base, stride)

#undef _tile_stream_loadd
#define _tile_stream_loadd(dst, base, stride) AMX_FIX_STREAM_LOADD(dst, base, stride)
#define AMX_FIX_STREAM_LOADD(dst, base, stride) AMX_FIX_LOAD("tileloaddt1", dst, base, stride)

static inline __attribute__((always_inline)) void amx_fix_loadconfig(const void *config) {
  __asm__ volatile("ldtilecfg\t%0" :: "m"(*(const char(*)[64])config) : "memory");
}
#define _tile_loadconfig amx_fix_loadconfig
#endif
