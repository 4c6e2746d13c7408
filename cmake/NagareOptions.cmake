# Compiler settings shared by every target, the CUDA switch, and nagare_layer().
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

find_program(NAGARE_CCACHE ccache)
if(NAGARE_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${NAGARE_CCACHE})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${NAGARE_CCACHE})
endif()

if(NAGARE_CUDA STREQUAL "OFF")
  set(NAGARE_WITH_CUDA OFF)
else()
  include(CheckLanguage)
  if(NOT CMAKE_CUDA_COMPILER AND EXISTS /usr/local/cuda/bin/nvcc)
    set(CMAKE_CUDA_COMPILER /usr/local/cuda/bin/nvcc)
  endif()
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    set(NAGARE_WITH_CUDA ON)
  elseif(NAGARE_CUDA STREQUAL "ON")
    message(FATAL_ERROR "NAGARE_CUDA=ON, but no nvcc was found: install the CUDA toolkit or set CMAKE_CUDA_COMPILER")
  else()
    set(NAGARE_WITH_CUDA OFF)
  endif()
endif()

if(NAGARE_WITH_CUDA)
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 90)
  endif()
  set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
  enable_language(CUDA)
  # CMake 3.25 does not know the C++20 flag of newer nvcc, so it is given as an option (see nagare_flags).
  set(CMAKE_CUDA_STANDARD_REQUIRED OFF)
  find_package(CUDAToolkit REQUIRED)
endif()
message(STATUS "nagare: CUDA twins ${NAGARE_WITH_CUDA}, build type ${CMAKE_BUILD_TYPE}")

# g++ 12 reports -Wrestrict for `"text" + std::string` (GCC bug 105651); the check is of no use until that is gone.
# Flags of every target. -ffp-contract=off keeps CPU results the same whichever vector width is chosen at run time.
add_library(nagare_flags INTERFACE)
target_compile_options(nagare_flags INTERFACE
  "$<BUILD_INTERFACE:$<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Werror;-ffp-contract=off>>"
  $<BUILD_INTERFACE:$<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-restrict>>
  "$<BUILD_INTERFACE:$<$<COMPILE_LANG_AND_ID:CXX,Clang>:-Wno-error;-Wno-unknown-pragmas>>"
  "$<BUILD_INTERFACE:$<$<COMPILE_LANGUAGE:CUDA>:-std=c++20;-Xcompiler=-Wall,-Wextra,-Werror;--Werror=all-warnings;--expt-relaxed-constexpr;--extended-lambda>>")
# Device code packed tightly: a quarter of the default's size, unpacked once when a process first uses the GPU.
if(NAGARE_WITH_CUDA AND CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 13.0)
  target_compile_options(nagare_flags INTERFACE $<BUILD_INTERFACE:$<$<COMPILE_LANGUAGE:CUDA>:--compress-mode=size>>)
endif()
target_include_directories(nagare_flags INTERFACE
  $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}> $<BUILD_INTERFACE:${CMAKE_BINARY_DIR}/generated>
  $<INSTALL_INTERFACE:include/nagare>)
target_compile_features(nagare_flags INTERFACE cxx_std_20)
if(NAGARE_SANITIZE)
  target_compile_options(nagare_flags INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${NAGARE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all>)
  target_link_options(nagare_flags INTERFACE -fsanitize=${NAGARE_SANITIZE})
endif()

# Coverage for libFuzzer and sanitizers in every layer that reads files; kernels stay as fast as they are.
if(NAGARE_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "NAGARE_FUZZ needs clang: cmake --preset fuzz")
  endif()
  set(NAGARE_FUZZ_FLAGS -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()

# version.h and the build switches, made once from project(VERSION).
configure_file(${CMAKE_SOURCE_DIR}/cmake/build_config.h.in ${CMAKE_BINARY_DIR}/generated/build_config.h)

# nagare_layer(NAME BELOW... ): one static library per layer; later target_sources() add to it.
function(nagare_layer name)
  add_library(nagare_${name} STATIC)
  set_target_properties(nagare_${name} PROPERTIES LINKER_LANGUAGE CXX)
  add_library(nagare::${name} ALIAS nagare_${name})
  target_link_libraries(nagare_${name} PUBLIC nagare_flags ${ARGN})
  if(NAGARE_FUZZ AND NOT name STREQUAL "kernels")
    target_compile_options(nagare_${name} PRIVATE ${NAGARE_FUZZ_FLAGS})
  endif()
endfunction()

# nagare_kernel(NAME): the CPU twin NAME.cpp and, in a CUDA build, NAME.cu. Refuses a kernel that has no test.
function(nagare_kernel name)
  target_sources(nagare_kernels PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/${name}.cpp)
  if(NAGARE_WITH_CUDA)
    target_sources(nagare_kernels PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/${name}.cu)
  endif()
  if(NOT EXISTS ${CMAKE_SOURCE_DIR}/tests/kernels/${name}_test.cpp)
    message(FATAL_ERROR "kernel ${name} has no test: write tests/kernels/${name}_test.cpp")
  endif()
  set_property(GLOBAL APPEND PROPERTY NAGARE_KERNELS ${name})
endfunction()
