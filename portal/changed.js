// Returns whether the page changed since the last reading, null for a new document; waits for a change. The body of an asynchronous script call
// whose argument is the longest wait in milliseconds. A call that waits costs no more than one that does not.
const [within, done] = arguments;
const watch = window.attendanceWatch;
if (!watch || watch.changes > 0 || within <= 0) {
  done(watch ? watch.changes > 0 : null);
} else {
  const over = setTimeout(() => { watch.wake = null; done(false); }, within);
  watch.wake = () => { clearTimeout(over); watch.wake = null; done(true); };
}
