#pragma once
// The one list of methods, sorted by name.
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ssl/core/method.h"
#include "ssl/core/options.h"
#include "ssl/methods/context.h"

namespace nagare::ssl {

struct MethodRow {
  const char* name;
  const char* summary;    // what it learns from, in half a line
  const char* reference;  // paper
  std::unique_ptr<Method> (*make)(MethodContext context);
  std::vector<OptionInfo> (*options)();  // what MethodContext::options may hold
  MethodTraits traits = {};
};

std::span<const MethodRow> method_table();

// Of a name that the table does not know: a method without any.
MethodTraits method_traits(const std::string& name);

// errors  BadConfig: unknown method or option (naming the nearest), value out of range
std::unique_ptr<Method> make_method(const std::string& name, MethodContext context);

}  // namespace nagare::ssl
