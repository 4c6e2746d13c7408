#pragma once
// CUDA's built-in vector types, as far as kernels use them: plain structs with CUDA's alignment.

#define NAGARE_VECTOR_2(name, type, alignment) \
  struct alignas(alignment) name {             \
    type x, y;                                 \
  };                                           \
  inline name make_##name(type x, type y) { return {x, y}; }
#define NAGARE_VECTOR_3(name, type) \
  struct name {                     \
    type x, y, z;                   \
  };                                \
  inline name make_##name(type x, type y, type z) { return {x, y, z}; }
#define NAGARE_VECTOR_4(name, type, alignment) \
  struct alignas(alignment) name {             \
    type x, y, z, w;                           \
  };                                           \
  inline name make_##name(type x, type y, type z, type w) { return {x, y, z, w}; }

NAGARE_VECTOR_2(char2, signed char, 2)
NAGARE_VECTOR_2(uchar2, unsigned char, 2)
NAGARE_VECTOR_2(short2, short, 4)
NAGARE_VECTOR_2(ushort2, unsigned short, 4)
NAGARE_VECTOR_2(int2, int, 8)
NAGARE_VECTOR_2(uint2, unsigned, 8)
NAGARE_VECTOR_2(float2, float, 8)
NAGARE_VECTOR_2(double2, double, 16)
NAGARE_VECTOR_2(longlong2, long long, 16)
NAGARE_VECTOR_3(uchar3, unsigned char)
NAGARE_VECTOR_3(int3, int)
NAGARE_VECTOR_3(uint3, unsigned)
NAGARE_VECTOR_3(float3, float)
NAGARE_VECTOR_4(uchar4, unsigned char, 4)
NAGARE_VECTOR_4(short4, short, 8)
NAGARE_VECTOR_4(ushort4, unsigned short, 8)
NAGARE_VECTOR_4(int4, int, 16)
NAGARE_VECTOR_4(uint4, unsigned, 16)
NAGARE_VECTOR_4(float4, float, 16)
#undef NAGARE_VECTOR_2
#undef NAGARE_VECTOR_3
#undef NAGARE_VECTOR_4

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_size = 1, unsigned y_size = 1, unsigned z_size = 1)  // implicit, as CUDA's
      : x(x_size), y(y_size), z(z_size) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
};
