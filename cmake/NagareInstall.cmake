# cmake --install build --prefix P [--strip] makes a relocatable bundle:
#
#   P/bin/nagare
#   P/lib/*.so.N       every shared library it needs but those of glibc, which belong to the machine
#
#   --component checks        adds the test programs and nagare-bench to P/bin (run them from there)
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
