# Read by llama-cpp-python's build right after its project() (CMAKE_PROJECT_llama_cpp_INCLUDE): compile what is used.

# A variable that is set here goes before the cache entry of the same name, which the build forces to ON (CMP0126).
set(LLAMA_BUILD_COMMON OFF) # what only llama.cpp's own tools use: a fifth of the compiler's time
set(LLAVA_BUILD OFF) # images as input
set(LLAMA_ALL_WARNINGS OFF)

# Does nothing but where a file is compiled for AMX.
add_compile_options("$<$<COMPILE_LANGUAGE:C,CXX>:SHELL:-include ${CMAKE_CURRENT_LIST_DIR}/amx_fix.h>")

# llama.cpp's src/ builds graphs and samples; the arithmetic is in ggml and keeps -O3.
cmake_language(DEFER CALL target_compile_options llama PRIVATE -O2)
