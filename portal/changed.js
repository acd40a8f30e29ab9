// Whether anything happened on the page since the last reading; waits for it. Runs as the body of an asynchronous
// script call: it gets how long to wait, in milliseconds. One call that waits costs what a look costs.
const [within, done] = arguments;
const watch = window.attendanceWatch;
if (!watch || watch.changes > 0 || within <= 0) {
  done(!watch || watch.changes > 0);
} else {
  const over = setTimeout(() => { watch.wake = null; done(false); }, within);
  watch.wake = () => { clearTimeout(over); watch.wake = null; done(true); };
}
