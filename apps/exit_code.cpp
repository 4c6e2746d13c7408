#include "apps/exit_code.h"

#include <new>
#include <system_error>

#include "engine/device/errors.h"
#include "kernels/device_error.h"

namespace nagare::apps {

Failure describe(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const UsageError& e) {
    return {ExitCode::usage, e.what()};
  } catch (const RunInUse& e) {
    return {ExitCode::in_use, e.what()};
  } catch (const BadConfig& e) {
    return {ExitCode::config, e.what()};
  } catch (const BadData& e) {
    return {ExitCode::data, e.what()};
  } catch (const BadCheckpoint& e) {
    return {ExitCode::checkpoint, e.what()};
  } catch (const CannotWrite& e) {
    return {ExitCode::cannot_write, e.what()};
  } catch (const DeviceUnavailable& e) {
    return {ExitCode::device, e.what()};
  } catch (const DeviceError& e) {
    return {ExitCode::device, e.what()};
  } catch (const OutOfMemory& e) {
    return {ExitCode::memory, e.what()};
  } catch (const std::bad_alloc&) {
    return {
        ExitCode::memory,
        "out of memory on the host\n"
        "--stream-batch, --buffer, --eval.bank-images and --threads lower what is needed; ulimit -v and the "
        "container may set the limit"};
  } catch (const Diverged& e) {
    return {ExitCode::diverged, e.what()};
  } catch (const std::system_error& e) {
    if (e.code() != std::errc::resource_unavailable_try_again)
      return {ExitCode::internal, std::string("internal fault: ") + e.what()};
    return {ExitCode::memory, "no thread can be started: " + e.code().message() +
                                  "\nulimit -u and the container's limit on processes "
                                  "set how many there may be"};
  } catch (const std::exception& e) {
    return {ExitCode::internal, std::string("internal fault: ") + e.what()};
  } catch (...) {
    return {ExitCode::internal, "internal fault: an exception of unknown type"};
  }
}

}  // namespace nagare::apps
