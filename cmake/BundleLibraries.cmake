# Part of cmake --install: copies the shared libraries that nagare_source (as built) needs into lib/.
file(GET_RUNTIME_DEPENDENCIES
  EXECUTABLES ${nagare_source}
  RESOLVED_DEPENDENCIES_VAR nagare_libraries
  UNRESOLVED_DEPENDENCIES_VAR nagare_missing
  # glibc and the loader: a copy of them would not work with another machine's kernel and resolver.
  PRE_EXCLUDE_REGEXES "^ld-linux" "^lib(c|m|pthread|dl|rt|resolv|util)\\.so")
if(nagare_missing)
  message(FATAL_ERROR "${nagare_source} needs ${nagare_missing}, which this machine does not have")
endif()
foreach(library IN LISTS nagare_libraries)
  get_filename_component(name ${library} NAME)  # the soname, by which it is looked for
  file(REAL_PATH ${library} file)
  set(target "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/lib/${name}")
  file(MAKE_DIRECTORY "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/lib")
  file(COPY_FILE ${file} ${target} ONLY_IF_DIFFERENT)
  file(CHMOD ${target} PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
endforeach()
