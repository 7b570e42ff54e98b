import { useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { Widget } from './widget.jsx';

const user = new URLSearchParams(location.search).get('user') ?? 'user-1';
let clicks = 0;

function tell(load) {
  const body = JSON.stringify({ user, dashboard_load_ms: load, clicks });
  clicks = 0;
  return fetch('/api/seen', { method: 'POST', headers: { 'content-type': 'application/json' }, body });
}

function Dashboard() {
  const [state, setState] = useState({ is: 'loading' });
  useEffect(() => {
    const began = performance.now();
    fetch(`/api/dashboard?user=${encodeURIComponent(user)}`)
      .then(async (answer) => ({ is: answer.ok ? 'shown' : 'failed', ...(await answer.json()) }))
      .catch((error) => ({ is: 'failed', error: error.message }))
      .then((next) => {
        setState(next);
        return tell(performance.now() - began);
      });
  }, []);

  if (state.is === 'loading') return <p role="status">Loading the dashboard …</p>;
  if (state.is === 'failed') return <p role="alert">The dashboard cannot be shown: {state.error}</p>;
  return (
    <main>
      <h1>Dashboard</h1>
      <ul>
        {state.widgets.map((widget) => (
          <Widget key={widget.title} {...widget} isNew={state.isNew} onClick={() => { clicks += 1; }} />
        ))}
      </ul>
      <footer>release {state.release}</footer>
    </main>
  );
}

createRoot(document.getElementById('root')).render(<Dashboard />);
