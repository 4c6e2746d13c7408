#pragma once
// The published augmentations, each for views of 32 px (below 64), 64 px and 224 px (64 and above).
//
//                     crop scale  ratio     filter              jitter b, c, s, h (p 0.8)   blur p   solarise p
//   simclr   < 64     .08 - 1     3/4-4/3   bicubic             .4 .4 .4 .1                 -        -
//            >= 64    .08 - 1     3/4-4/3   bicubic             .8 .8 .8 .2                 .5       -
//   simsiam  < 64     .2 - 1      3/4-4/3   bilinear            .4 .4 .4 .1                 -        -
//            >= 64    .2 - 1      3/4-4/3   bilinear            .4 .4 .4 .1                 .5       -
//   byol 1   < 64     .08 - 1     3/4-4/3   bicubic             .4 .4 .2 .1                 -        -
//            >= 64    .08 - 1     3/4-4/3   bicubic             .4 .4 .2 .1                 1        -
//   byol 2   < 64     .08 - 1     3/4-4/3   bicubic             .4 .4 .2 .1                 -        .2
//            >= 64    .08 - 1     3/4-4/3   bicubic             .4 .4 .2 .1                 .1       .2
//   vicreg   < 64     .2 - 1      3/4-4/3   bicubic             .4 .4 .2 .1                 -        .1
//            >= 64    .2 - 1      3/4-4/3   bicubic             .4 .4 .2 .1                 .5       .1
//   emp_ssl  < 64     .25         1         bilinear            .4 .4 .4 .2                 .1       .1
//            >= 64    .25         3/4-4/3   bicubic             .4 .4 .4 .2                 .1       .1
//   swav     < 64     .08 - 1     3/4-4/3   bicubic             .8 .8 .8 .2                 -        -
//            >= 64    .14 - 1     3/4-4/3   bilinear            .8 .8 .8 .2                 .5       -
//     local  < 64     .08 - .5    3/4-4/3   bicubic             .8 .8 .8 .2                 .1       .1
//            >= 64    .05 - .14   3/4-4/3   bilinear            .8 .8 .8 .2                 .5       -
//   dino     < 64     as byol 1 and 2
//            >= 64    .14 - 1, else as byol 1 and 2
//     local  < 64     .08 - .5    3/4-4/3   bicubic             .4 .4 .2 .1                 -        -
//            >= 64    .05 - .14   3/4-4/3   bicubic             .4 .4 .2 .1                 .5       -
//   supervised < 128  size x size of the image, padded by size / 8; no colour steps
//            >= 128   .08 - 1     3/4-4/3   bilinear            none
//
// All flip with probability 0.5; all but supervised turn grey with 0.2. Filters are antialiased, as Pillow's. mean and
// std are the data set's, to be filled in by the caller, but for emp_ssl, which has 0.5 for both.
//
// source  Chen et al., ICML 2020 (CIFAR: its appendix B.9); Chen and He, CVPR 2021 (the same as MoCo v2's); Tong et al.,
//         arXiv:2304.03977, and its published code; Grill et al., NeurIPS 2020 (byol: Barlow Twins and MoCo v3 take its two
//         views too; below 64 px and for vicreg: solo-learn's settings); Caron et al., NeurIPS 2020 and ICCV 2021 (below 64 px:
//         solo-learn's settings; local views are published with 96, or 18, pixels, here with as many as the others); He et al., CVPR 2016 (padded crop). 64 px is ours, but for emp_ssl
#include <cstdint>

#include "ssl/augment/view_plan.h"

namespace nagare::ssl {

ViewRecipe simclr_recipe(std::int64_t size);
ViewRecipe simsiam_recipe(std::int64_t size);
// The two views, which are drawn from different distributions.
std::vector<ViewRecipe> byol_recipes(std::int64_t size);
ViewRecipe vicreg_recipe(std::int64_t size);
ViewRecipe emp_ssl_recipe(std::int64_t size);
// Two views, and `local` ones of small crops behind them.
std::vector<ViewRecipe> swav_recipes(std::int64_t size, std::int64_t local);
std::vector<ViewRecipe> dino_recipes(std::int64_t size, std::int64_t local);
ViewRecipe supervised_recipe(std::int64_t size);
// What UCL's published program makes of replayed images: crop and flip, no colour steps.
ViewRecipe ucl_replay_recipe(std::int64_t size);

}  // namespace nagare::ssl
