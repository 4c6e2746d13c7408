# cmake -DBUILD=build -DEXAMPLE=DIR -DWORK=DIR -DGENERATOR=NAME -DCXX=COMPILER -P find_package.cmake: a program outside the
# source tree builds against the installed library and runs.
function(must)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE code OUTPUT_VARIABLE out ERROR_VARIABLE err)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "${ARGN}: exit ${code}\n${out}\n${err}")
  endif()
  set(out "${out}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE ${WORK})
must(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/prefix --component development)
must(${CMAKE_COMMAND} -S ${EXAMPLE} -B ${WORK}/build -G ${GENERATOR} -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_BUILD_TYPE=Release
     -DCMAKE_PREFIX_PATH=${WORK}/prefix)
must(${CMAKE_COMMAND} --build ${WORK}/build)
must(${WORK}/build/nearest_images)
if(NOT out MATCHES "nearest is")
  message(FATAL_ERROR "the example said: ${out}")
endif()
file(REMOVE_RECURSE ${WORK})
