# cmake --install build --prefix P [--strip] makes a relocatable bundle:
#
#   P/bin/nagare
#   P/lib/*.so.N       every shared library it needs but those of glibc, which belong to the machine
#
#   --component checks        adds the test programs and nagare-bench to P/bin, scripts/gpu-check.sh, the comparison with
#                             PyTorch (bench/peers) and, where they are beside the sources, the reference files
#   --component development   adds static libraries, headers and the CMake package: find_package(nagare)
#
# Programs find their libraries by DT_RPATH = $ORIGIN/../lib. The older tag, and not DT_RUNPATH, because it also holds for
# the libraries that those libraries need, so that none of Debian's files has to be changed.
set(NAGARE_BUNDLE_RPATH "$ORIGIN/../lib")

function(nagare_program name component)
  set_target_properties(${name} PROPERTIES INSTALL_RPATH ${NAGARE_BUNDLE_RPATH})
  target_link_options(${name} PRIVATE -Wl,--disable-new-dtags)
  set(all "")
  if(NOT component STREQUAL "runtime")
    set(all EXCLUDE_FROM_ALL)
  endif()
  install(TARGETS ${name} RUNTIME DESTINATION bin COMPONENT ${component} ${all})
  install(CODE "
    set(nagare_program \"\${CMAKE_INSTALL_PREFIX}/bin/${name}\")
    set(nagare_source \"$<TARGET_FILE:${name}>\")
    include(\"${CMAKE_SOURCE_DIR}/cmake/BundleLibraries.cmake\")
  " COMPONENT ${component} ${all})
endfunction()

# What a machine with a GPU and nothing else checks itself with.
install(PROGRAMS ${CMAKE_SOURCE_DIR}/scripts/gpu-check.sh DESTINATION scripts COMPONENT checks EXCLUDE_FROM_ALL)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/bench/peers DESTINATION bench COMPONENT checks EXCLUDE_FROM_ALL
        USE_SOURCE_PERMISSIONS PATTERN __pycache__ EXCLUDE)
if(EXISTS ${CMAKE_SOURCE_DIR}/../shared/reference/index.json)
  install(DIRECTORY ${CMAKE_SOURCE_DIR}/../shared/reference DESTINATION share/nagare COMPONENT checks EXCLUDE_FROM_ALL
          FILES_MATCHING PATTERN "*.safetensors")
endif()

# The library: what find_package(nagare) gives, as nagare::kernels, engine, models, ssl.
function(nagare_install_library)
  set(layers nagare_flags nagare_dnnl nagare_kernels nagare_engine nagare_models nagare_ssl)
  foreach(layer IN LISTS layers)
    string(REPLACE nagare_ "" short ${layer})
    set_target_properties(${layer} PROPERTIES EXPORT_NAME ${short})
  endforeach()
  install(TARGETS ${layers} EXPORT nagareTargets ARCHIVE DESTINATION lib COMPONENT development EXCLUDE_FROM_ALL)
  install(EXPORT nagareTargets NAMESPACE nagare:: DESTINATION lib/cmake/nagare COMPONENT development EXCLUDE_FROM_ALL)
  foreach(layer kernels engine models ssl)
    install(DIRECTORY ${CMAKE_SOURCE_DIR}/${layer} DESTINATION include/nagare COMPONENT development EXCLUDE_FROM_ALL
            FILES_MATCHING PATTERN "*.h" PATTERN "*.cuh")
  endforeach()
  install(FILES ${CMAKE_BINARY_DIR}/generated/build_config.h DESTINATION include/nagare COMPONENT development
          EXCLUDE_FROM_ALL)
  include(CMakePackageConfigHelpers)
  configure_file(${CMAKE_SOURCE_DIR}/cmake/nagareConfig.cmake.in ${CMAKE_BINARY_DIR}/generated/nagareConfig.cmake @ONLY)
  write_basic_package_version_file(${CMAKE_BINARY_DIR}/generated/nagareConfigVersion.cmake
                                   COMPATIBILITY SameMinorVersion)
  install(FILES ${CMAKE_BINARY_DIR}/generated/nagareConfig.cmake ${CMAKE_BINARY_DIR}/generated/nagareConfigVersion.cmake
          DESTINATION lib/cmake/nagare COMPONENT development EXCLUDE_FROM_ALL)
endfunction()
