'use strict';
(function () {
  var root = document.documentElement;
  function remember(value) { try { localStorage.setItem('poolscope-theme', value); } catch (error) { /* pages from disk may have no store */ } }
  function recall() { try { return localStorage.getItem('poolscope-theme'); } catch (error) { return null; } }
  var theme = document.getElementById('theme');
  function isDark() {
    var chosen = root.getAttribute('data-theme');
    return chosen ? chosen === 'dark' : window.matchMedia && window.matchMedia('(prefers-color-scheme: dark)').matches;
  }
  function label() { theme.textContent = isDark() ? 'Light page' : 'Dark page'; }
  var chosen = recall();
  if (chosen === 'dark' || chosen === 'light') root.setAttribute('data-theme', chosen);
  theme.hidden = false;
  label();
  theme.addEventListener('click', function () {
    var next = isDark() ? 'light' : 'dark';
    root.setAttribute('data-theme', next);
    remember(next);
    label();
  });

  /* A word that leads to its meaning opens the fold in which that stands. */
  function unfold() {
    var target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    var fold = target && target.closest('details');
    if (!fold || fold.open) return;
    fold.open = true;
    target.scrollIntoView();
  }
  window.addEventListener('hashchange', unfold);
  unfold();

  var table = document.getElementById('nodes');
  if (!table) return;
  var body = table.tBodies[0], rows = Array.prototype.slice.call(body.rows), heads = table.tHead.rows[0].cells;
  var text = document.getElementById('node-text'), count = document.getElementById('node-count');
  var choices = Array.prototype.slice.call(document.querySelectorAll('select[data-column]'));
  document.getElementById('node-tools').hidden = false;

  function value(row, column) {
    var cell = row.cells[column], key = cell.getAttribute('data-key');
    return key === null ? cell.textContent : key;
  }
  function compare(a, b, numeric) {
    if (!numeric) return a < b ? -1 : a > b ? 1 : 0;
    var x = parseFloat(a), y = parseFloat(b);
    if (isNaN(x) || isNaN(y)) return isNaN(x) && isNaN(y) ? 0 : isNaN(x) ? 1 : -1; /* what does not exist stays last */
    return x - y;
  }
  function sort(column) {
    var head = heads[column], down = head.getAttribute('aria-sort') === 'ascending', numeric = head.classList.contains('n');
    for (var i = 0; i < heads.length; i++) heads[i].removeAttribute('aria-sort');
    head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
    var keyed = rows.map(function (row, index) { return { row: row, index: index, key: value(row, column) }; });
    keyed.sort(function (a, b) {
      var order = compare(a.key, b.key, numeric), absent = numeric && (isNaN(parseFloat(a.key)) || isNaN(parseFloat(b.key)));
      return (down && !absent ? -order : order) || a.index - b.index;
    });
    keyed.forEach(function (item) { body.appendChild(item.row); });
  }
  function filter() {
    var words = text.value.toLowerCase().split(/\s+/).filter(Boolean), shown = 0;
    rows.forEach(function (row) {
      var content = row.textContent.toLowerCase();
      var keep = words.every(function (word) { return content.indexOf(word) >= 0; }) && choices.every(function (choice) {
        return choice.value === '' || value(row, +choice.getAttribute('data-column')) === choice.value;
      });
      row.hidden = !keep;
      if (keep) shown++;
    });
    count.textContent = shown + ' of ' + rows.length + ' rows shown';
  }
  choices.forEach(function (choice) {
    var column = +choice.getAttribute('data-column'), seen = {};
    rows.forEach(function (row) { seen['$' + value(row, column)] = 1; });
    Object.keys(seen).sort().forEach(function (key) { choice.add(new Option(key.slice(1), key.slice(1))); });
    choice.addEventListener('change', filter);
  });
  text.addEventListener('input', filter);
  Array.prototype.forEach.call(heads, function (head, column) {
    var button = document.createElement('button');
    button.type = 'button';
    while (head.firstChild) button.appendChild(head.firstChild);
    head.appendChild(button);
    button.addEventListener('click', function () { sort(column); });
  });
  filter();
})();
