export function Widget({ title, value, hint, isNew, onClick }) {
  return (
    <li className={isNew ? 'new' : undefined}>
      <button type="button" onClick={onClick}>{title}</button>
      <strong>{value}</strong>
      {isNew && hint && <span>{hint}</span>}
    </li>
  );
}
