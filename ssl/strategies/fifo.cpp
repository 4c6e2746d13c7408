#include "ssl/strategies/fifo.h"

#include "ssl/buffers/fifo.h"
#include "ssl/strategies/buffer_only.h"

namespace nagare::ssl {
namespace {

class FifoReplay final : public Strategy {
 public:
  FifoReplay(const FifoOptions& options, const StrategyContext& context)
      : options_(options),
        context_(context),
        buffer_(context.capacity, context.image_shape, context.device) {}

  void arrive(const Batch& batch) override {
    if (buffer_only()) buffer_.insert(batch);
  }

  Batch compose(const Batch& batch, const Progress& progress) override {
    if (!buffer_only()) return with_replay(batch, buffer_.stored(), pick(context_.replay, progress));
    const Batch nothing = nothing_of(batch);
    if (buffer_.size() < context_.capacity) return nothing;
    return with_replay(nothing, buffer_.stored(),
                       pick(static_cast<std::int64_t>(batch.ids.size()), progress));
  }

  std::int64_t most_replayed(std::int64_t earlier) const override {
    return buffer_only() ? 0 : context_.most_drawn(earlier);
  }

  void finish(const Batch& batch) override {
    if (!buffer_only()) buffer_.insert(batch);
  }

  std::vector<std::int64_t> stored_ids() const override { return ids_of(buffer_.stored(), buffer_.by_age()); }

  void list_state(nn::StateList& list) const override {
    const nn::StateList::Scope scope(list, "buffer");
    buffer_.list_state(list);
  }

 private:
  bool buffer_only() const { return options_.variant == "buffer-only"; }

  std::vector<std::int64_t> pick(std::int64_t count, const Progress& progress) const {
    std::vector<std::int64_t> slots = buffer_.by_age();
    if (options_.newest) {
      if (static_cast<std::int64_t>(slots.size()) > count)
        slots.erase(slots.begin(), slots.end() - static_cast<std::ptrdiff_t>(count));
      return slots;
    }
    return draw_from(slots, count, replay_key(context_.seed, progress.step));
  }

  FifoOptions options_;
  StrategyContext context_;
  Fifo buffer_;
};

}  // namespace

OptionSet FifoOptions::bind() {
  OptionSet set;
  set.choice("variant", variant, {"buffer-only", "stream-replay"},
             "train on arriving and replayed images, or on the buffer alone");
  set.flag("newest", newest, "stream-replay: replay the newest instead of a draw");
  return set;
}

std::unique_ptr<Strategy> make_fifo(const StrategyContext& context) {
  FifoOptions options;
  options.bind().assign("fifo", context.options);
  if (options.variant == "buffer-only") check_buffer_only("fifo", context);
  return std::make_unique<FifoReplay>(options, context);
}

}  // namespace nagare::ssl
